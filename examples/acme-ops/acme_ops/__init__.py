"""Snake activations for OurDL. Nothing is imported here: OurDL imports the module of an op when it is first used."""
