"""What requirements say of a whole trace, read without the monitors."""
