"""Related persons who receive a patient's messages besides them or in their place."""
