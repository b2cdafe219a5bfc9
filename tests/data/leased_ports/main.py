"""The application of a package that was written for orchestrator-core."""

import leased_ports.products
import leased_ports.workflows  # noqa: F401 - the import registers the workflows
from orchestrator import OrchestratorCore
from orchestrator.cli.main import app as core_cli
from orchestrator.settings import AppSettings

app = OrchestratorCore(base_settings=AppSettings())
app.register_sentry("https://sentry.example", "1.0", server_name="ports")

if __name__ == "__main__":
    core_cli()
