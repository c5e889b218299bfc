"""Where all rooms meet: recipes and the verbs they are made of."""
