"""The dialect "awx": decision trees as existing clients of AWX know them."""
