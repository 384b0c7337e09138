"""One thin script per stage of dvc.yaml: ``python -m stages.NAME PATH ...``; recurrent/config/stage.py starts it."""
