"""HTTP in: routes, who may call them, errors as answers, and the document that describes it all."""
