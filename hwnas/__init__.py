"""Hardware-aware neural architecture search for microcontrollers."""
