"""The kinds of objects of the dialect: their fields as models, the filters of their lists, what stands below them."""
