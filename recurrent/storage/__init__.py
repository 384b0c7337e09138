"""What lies on disk between the stages, whole or not at all."""
