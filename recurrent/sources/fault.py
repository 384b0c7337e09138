"""A laboratory fault: a spring-slider under rate-and-state friction, and the sound it makes.

A block on fault gouge, under constant normal stress, is pulled through a spring by a press.
Friction is ``mu = MU_0 + A ln(V / V_0) + B ln(V_0 theta / D_C)`` (Dieterich 1979) with the ageing
law ``d theta / dt = 1 - V theta / D_C`` (Ruina 1983); ``DAMPING`` is the radiation damping that
keeps the slip velocity finite (Rice 1993). The spring is softer than the critical stiffness, so
the block sticks and slips. The drive is irregular: when the block slips, the press overshoots by
another distance each time and loads the spring again before the block has healed, and its speed
varies a little. So no two cycles last equally long: 7 to 16 s, as in the LANL recording, and the
time since the last failure says little about the next one, while friction says much.

The block emits. Acoustic power follows friction (Rouet-Leduc et al. 2018), so the variance of the
signal grows towards failure. Slip itself is loud, and so is the crushed layer while it settles
again (an exponential decay, our assumption): a loud step alone does not tell before from after,
the sequence does. The signal is a sum of micro-slips at random times, each ringing the sensor for
a moment, on the noise of the electronics.

Two things keep loudness from telling all. How well a sensor is coupled to the rock differs between
sensors and with what lies between (Kwiatek et al. 2014); here a slip shakes the contact, and each
cycle has a gain of its own, unknown to the listener, which the settling after a slip reveals, since
its true loudness is always the same. And emission is no clockwork: its rate wanders about what
friction makes of it and forgets within seconds (an Ornstein-Uhlenbeck process). That slips happen
to change the gain, its log-normal spread, and the wandering with its memory are our assumptions.

Sources: J. H. Dieterich, J. Geophys. Res. 84, 2161 (1979). A. Ruina, J. Geophys. Res. 88, 10359
(1983). J. R. Rice, J. Geophys. Res. 98, 9885 (1993).
B. Rouet-Leduc et al., Geophys. Res. Lett. 45, 1321 (2018). G. Kwiatek et al., Int. J. Rock Mech.
Min. Sci. 65, 153 (2014). G. E. Uhlenbeck and L. S. Ornstein, Phys. Rev. 36, 823 (1930).
"""

from collections.abc import Iterator
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt

from recurrent.numerics import cube_root, exp, exp_of, log

Floats = npt.NDArray[np.float64]
Block = tuple[npt.NDArray[np.int64], Floats]

MU_0, V_0 = 0.6, 1e-6  # reference friction, and the velocity (m/s) it is taken at
A, B, D_C = 0.010, 0.016, 5e-6  # direct effect, evolution effect, slip distance (m)
SPRING = 450.0  # stiffness over normal stress (1/m); the critical one is (B - A) / D_C = 1200
DAMPING = 0.02  # radiation damping over normal stress (s/m)
V_SEISMIC = 1e-3  # a failure is the moment the block becomes faster than this (m/s)
PSI_SEISMIC = float(log(V_SEISMIC / V_0))
SPEED = (14.5e-6, 15.3e-6)  # of the press, drawn for each cycle (m/s)
OVERSHOOT = (0.0, 100e-6)  # of the press after a slip, drawn for each cycle (m); a slip is about 250e-6
RECOIL = 0.5  # time the overshoot takes (s)

FRICTION = (0.510, 0.625)  # just after a slip without overshoot, just before the next
RATE = (0.2, 60.0)  # micro-slips per sample at those two; ln(rate) is linear in friction
SLIP_RATE = 20000.0  # further micro-slips per sample, per m/s of the block's velocity
SETTLING = (400.0, 0.2)  # further micro-slips per sample right after a slip, and their decay time (s)
MICRO_SLIP = 3.0  # root mean square amplitude of a micro-slip (counts)
MEMORY = 3.0  # time over which the wandering rate forgets (s)
NOISE, OFFSET = 1.0, 4.5  # of the electronics (counts)
# what the sensor makes of a micro-slip: exp(-n / 1.2) cos(1.3 n) for the samples n after it
RING = (1.0, 0.116255, -0.161845, -0.059588, 0.016714, 0.015141, 0.000364, -0.002775)

TOLERANCE = 1e-5  # of one integration step, in ln V and ln theta
BLOCK_ROWS = 1 << 18  # rows are made this many at a time: flat memory


def simulate(*, cycles: int, sample_rate: float, gain_spread: float, wander: float, seed: int) -> Iterator[Block]:
    """Record a fault through whole cycles, block by block, in flat memory.

    Parameters
    ----------
    cycles : failures to record; the recording starts with one and ends just before another
    sample_rate : samples per second
    gain_spread : standard deviation of ln(gain of the sensor), which is drawn for each cycle
    wander : standard deviation of ln(rate) around what friction makes of it
    seed : of drive, emission and sensor

    Yields
    ------
    acoustic_data : (n,) counts
    time_to_failure : (n,) s, rounded to the 10 decimals of LANL's file
    """
    # a stream each: neither the sample rate nor BLOCK_ROWS changes another's numbers
    drive, count, amplitude, noise, coupling, course = np.random.default_rng(seed).spawn(6)
    _, state = simulate_cycle(speed=SPEED[0], overshoot=0.0, state=(PSI_SEISMIC, -3.2))  # forget the start
    tail = np.zeros(len(RING) - 1)  # what still rings when a block ends
    begin = 0.0
    drives = _irregular_drives(drive)
    for _ in range(cycles):
        speed, overshoot = next(drives)
        path, state = simulate_cycle(speed=speed, overshoot=overshoot, state=state)
        rate = emission_rate(path, wander * _wandering(course, path[:, 0]))
        gain = exp_of(gain_spread * coupling.standard_normal())
        end = begin + path[-1, 0]
        first, last = ceil(begin * sample_rate), ceil(end * sample_rate)
        for row in range(first, last, BLOCK_ROWS):
            time = np.arange(row, min(row + BLOCK_ROWS, last)) / sample_rate
            micro_slips = count.poisson(np.interp(time - begin, path[:, 0], rate))
            # a sum of n normal amplitudes is one normal amplitude, sqrt(n) as large
            impulses = gain * MICRO_SLIP * np.sqrt(micro_slips) * amplitude.standard_normal(len(time))
            ringing = np.zeros(len(time) + len(tail))
            ringing[: len(tail)] = tail
            for delay, response in enumerate(RING):
                ringing[delay : delay + len(time)] += response * impulses
            sound, tail = ringing[: len(time)], ringing[len(time) :]
            acoustic_data = np.rint(OFFSET + sound + NOISE * noise.standard_normal(len(time)))
            yield acoustic_data.astype(np.int64), np.round(end - time, 10)
        begin = end


def _irregular_drives(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """Yield speeds and overshoots without end.

    In any four cycles each quarter of either range comes once, in random order: short and long
    cycles are then in every part of the recording, and no seed makes the exercise trivial.
    """
    while True:
        speeds, overshoots = ((rng.permutation(4) + rng.uniform(size=4)) / 4 for _ in range(2))
        for fast, far in zip(speeds.tolist(), overshoots.tolist(), strict=True):
            yield SPEED[0] + (SPEED[1] - SPEED[0]) * fast, OVERSHOOT[0] + (OVERSHOOT[1] - OVERSHOOT[0]) * far


def _wandering(rng: np.random.Generator, time: Floats) -> Floats:
    """Return an Ornstein-Uhlenbeck process of standard deviation 1 at these times (s), exact however far apart."""
    kept = exp(-np.diff(time) / MEMORY)
    first, *shocks = rng.standard_normal(len(time)).tolist()
    values = [first]
    for share, shock in zip(kept.tolist(), shocks, strict=True):
        values.append(share * values[-1] + sqrt(1 - share * share) * shock)
    return np.array(values)


def emission_rate(path: Floats, excess: Floats) -> Floats:
    """Return micro-slips per sample along a path of time (s), friction and velocity (m/s).

    `excess` is added to ln(rate) of what friction lets the layer emit; slip and settling keep their loudness.
    """
    time, friction, velocity = path.T
    loaded = (friction - FRICTION[0]) / (FRICTION[1] - FRICTION[0])
    steady = RATE[0] * exp(loaded * log(RATE[1] / RATE[0]) + excess)
    rate: Floats = steady + SLIP_RATE * velocity + SETTLING[0] * exp(-time / SETTLING[1])
    return rate


def simulate_cycle(*, speed: float, overshoot: float, state: tuple[float, float]) -> tuple[Floats, tuple[float, float]]:
    """Pull the block from one failure to the next.

    Integrated with Bogacki and Shampine's embedded Runge-Kutta pair of order 3(2) (Appl. Math.
    Lett. 2, 321, 1989) in ln V and ln theta; slip takes milliseconds and loading seconds, so the
    step follows the error.

    Parameters
    ----------
    speed : of the press (m/s)
    overshoot : of the press (m), spread over the first RECOIL seconds
    state : (ln(V / V_0), ln(theta V_0 / D_C)) at the failure that starts the cycle

    Returns
    -------
    path : (nodes, 3) time since the failure (s), friction, velocity (m/s)
    state : at the failure that ends the cycle, which is the last node
    """

    def slope(time: float, psi: float, phi: float) -> tuple[float, float]:
        velocity = V_0 * exp_of(psi)
        press = speed + (overshoot / RECOIL if time < RECOIL else 0.0)
        healing = V_0 / D_C * exp_of(-phi) - velocity / D_C
        return (SPRING * (press - velocity) - B * healing) / (A + DAMPING * velocity), healing

    def node(time: float, psi: float, phi: float) -> tuple[float, float, float]:
        return time, MU_0 + A * psi + B * phi, V_0 * exp_of(psi)

    threshold = PSI_SEISMIC
    (psi, phi), time, step, slipping = state, 0.0, 1e-6, True
    path = [node(time, psi, phi)]
    p1, q1 = slope(time, psi, phi)
    while True:
        p2, q2 = slope(time + step / 2, psi + step * p1 / 2, phi + step * q1 / 2)
        p3, q3 = slope(time + step * 0.75, psi + step * p2 * 0.75, phi + step * q2 * 0.75)
        new_psi = psi + step * (2 * p1 + 3 * p2 + 4 * p3) / 9
        new_phi = phi + step * (2 * q1 + 3 * q2 + 4 * q3) / 9
        p4, q4 = slope(time + step, new_psi, new_phi)
        error = step / 72 * max(abs(-5 * p1 + 6 * p2 + 8 * p3 - 9 * p4), abs(-5 * q1 + 6 * q2 + 8 * q3 - 9 * q4))
        factor = min(4.0, max(0.2, 0.9 * cube_root(TOLERANCE / max(error, 1e-12))))
        if error > TOLERANCE:
            step *= factor
            continue
        if not slipping and new_psi >= threshold:  # the failure lies within this step
            part = (threshold - psi) / (new_psi - psi)
            state = threshold, phi + part * (new_phi - phi)
            path.append(node(time + part * step, *state))
            return np.array(path), state
        time, psi, phi, p1, q1 = time + step, new_psi, new_phi, p4, q4  # its last slope is the next one's first
        slipping = slipping and (psi >= threshold or time < 1e-3)  # the cycle starts at the threshold
        path.append(node(time, psi, phi))
        step = min(step * factor, 0.05)
