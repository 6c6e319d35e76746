"""The demo clinic: realistic, the same every time, and loaded through the slices' own actions."""
