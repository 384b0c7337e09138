/* Whole lines of plain numbers -> columns. Every byte is looked at; whatever is not plain leaves the block in doubt.

   A float is mantissa x or / a power of ten, rounded once: both are exact in a double up to 2**53 and 10**22, so the
   quotient is the double nearest to the text (W. D. Clinger, How to read floating point numbers accurately, PLDI 1990). */
#include <float.h>
#include <stdint.h>
#include <string.h>

/* 0 and 1 leave a double what it is, and so do 16, of CPUs that compute in half precision too, 32, 33 and 64. */
#if FLT_EVAL_METHOD < 0 || FLT_EVAL_METHOD == 2 || FLT_EVAL_METHOD > 64
#error "intermediate results have more digits than a double, so they would be rounded twice"
#endif

enum { DIGITS = 19, POWERS = 23 }; /* 19 digits fit in 64 bits */
static const double POWER[POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static const uint64_t EXACT = (uint64_t)1 << 53;

/* The same for a longer mantissa, as repr() has it: the quotient to 64 binary places, and a last bit that stands for all
   that remains, so that the conversion, which rounds to nearest, sees on which side of a tie it is. */
static double long_quotient(uint64_t mantissa, uint64_t power) {
    const unsigned __int128 all = (unsigned __int128)mantissa << 64, quotient = all / power;
    return (double)(quotient | (quotient * power != all)) * 0x1p-64;
}

static inline const char *digits(const char *at, uint64_t *value) {
    for (unsigned digit; (digit = (unsigned char)*at - '0') < 10; at++) *value = 10 * *value + digit;
    return at;
}

/* Where the number at `at` ends, or NULL in doubt. A line end stops every step, so none goes past it. */
static inline const char *number(const char *at, int is_float, void *out) {
    const int negative = *at == '-';
    at += negative || *at == '+';
    const char *const first = at;
    uint64_t mantissa = 0;
    at = digits(at, &mantissa);
    long read = at - first, exponent = 0;
    if (is_float && *at == '.') {
        const char *const point = ++at;
        at = digits(at, &mantissa);
        exponent = point - at;
        read -= exponent;
    }
    if (read < 1 || read > DIGITS) return NULL;
    if (!is_float) {
        const int64_t value = negative ? -(int64_t)mantissa : (int64_t)mantissa;
        memcpy(out, &value, sizeof value);
        return mantissa < EXACT ? at : NULL;
    }
    if (*at == 'e' || *at == 'E') {
        const int down = *++at == '-';
        at += down || *at == '+';
        const char *const sign = at;
        uint64_t power = 0;
        at = digits(at, &power);
        if (at - sign < 1 || at - sign > 2) return NULL;
        exponent += down ? -(long)power : (long)power;
    }
    double size;
    if (mantissa < EXACT && -POWERS < exponent && exponent < POWERS)
        size = exponent < 0 ? (double)mantissa / POWER[-exponent] : (double)mantissa * POWER[exponent];
    else if (-DIGITS < exponent && exponent <= 0)
        size = long_quotient(mantissa, (uint64_t)POWER[-exponent]);
    else
        return NULL;
    const double value = negative ? -size : size;
    memcpy(out, &value, sizeof value);
    return at;
}

/* Where the field at `at` ends, whatever text it holds, or NULL where quotes or NUL may hide what it is. */
static inline const char *skip(const char *at, char delimiter) {
    for (; *at != delimiter && *at != '\r' && *at != '\n'; at++)
        if (*at == '"' || *at == '\0') return NULL;
    return at;
}

/* Text of `size` bytes, the last of them \n, or none -> the number of its lines, or -1 in doubt. Of each column, `kinds`
   says whether it is an integer 'i' (int64), a float 'f' (double) or skipped; `out` has room for the wanted ones. */
long parse(const char *text, long size, char delimiter, const char *kinds, char *const *out) {
    const char *at = text, *const end = text + size;
    const long columns = strlen(kinds);
    long row = 0;
    for (; at < end; row++)
        for (long c = 0, wanted = 0; c < columns; c++) {
            at = kinds[c] == ' ' ? skip(at, delimiter) : number(at, kinds[c] == 'f', out[wanted++] + 8 * row);
            if (!at) return -1;
            at += at[0] == '\r' && at[1] == '\n';
            if (*at++ != (c + 1 < columns ? delimiter : '\n')) return -1;
        }
    return row;
}

/* How many lines end in `size` bytes. */
long lines(const char *text, long size) {
    long found = 0;
    for (long i = 0; i < size;) { /* in steps that a byte can count, which is four times as fast */
        unsigned char some = 0;
        for (const long next = i + 255 < size ? i + 255 : size; i < next; i++) some += text[i] == '\n';
        found += some;
    }
    return found;
}
