"""The definitions of FHIR R4 4.0.1, and the Structs made of them when a type is first met."""
