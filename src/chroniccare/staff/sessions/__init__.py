"""Sessions of staff in a browser: begun, remembered for less than a second, rotated, ended."""
