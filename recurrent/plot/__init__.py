"""What a training and a forecast look like: tables in, matplotlib Figures out."""
