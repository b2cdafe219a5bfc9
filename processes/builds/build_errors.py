"""The errors of builds. Their text becomes the reason that people read at the task."""

from ewms.steps import ProcessFailureError


class BuildFailed(ProcessFailureError):
    """The build cannot succeed with this source, these limits or these settings."""


class LocationsLackImage(ProcessFailureError):
    """Some locations do not have the image yet. The step is called again later."""
