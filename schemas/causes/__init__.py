"""Why a workflow does not move: each cause with its text and what helps."""
