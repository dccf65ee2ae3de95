"""topfive held equal to the libraries it stands in for, and its engines to each other."""
