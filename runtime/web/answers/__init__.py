"""What all answers share: the form of errors, Etags and compression."""
