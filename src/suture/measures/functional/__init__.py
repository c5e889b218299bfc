"""Pure tensor maths: what two activation matrices have in common."""
