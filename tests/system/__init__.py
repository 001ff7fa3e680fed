"""Stories on the whole platform. A package, so that what its tests share ends with them."""
