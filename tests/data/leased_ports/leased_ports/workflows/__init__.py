from orchestrator.workflows import LazyWorkflowInstance

LazyWorkflowInstance("leased_ports.workflows.port.create_port", "create_port")
LazyWorkflowInstance("leased_ports.workflows.port.modify_port", "modify_port")
LazyWorkflowInstance("leased_ports.workflows.port.terminate_port", "terminate_port")
LazyWorkflowInstance("leased_ports.workflows.tasks", "task_count_ports")
