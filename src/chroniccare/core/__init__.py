"""What every slice may use and what uses nothing of ours."""
