"""Codes of diagnoses and drugs: ICD-10-CM as shipped, RxNorm as far as a site has loaded it."""
