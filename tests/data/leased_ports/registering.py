"""What an installation of EWMS adds to the package: its products, and which workflows belong to them."""

from ewms.steps import WF_USABLE_MAP, register_product, register_workflow

register_product("Leased Port 10G", tag="PORT", product_type="Port", fixed_inputs={"speed": "10000"})
for name, target in (("create_port", "CREATE"), ("modify_port", "MODIFY"), ("terminate_port", "TERMINATE")):
    register_workflow(name=name, target=target, tag="PORT")
register_workflow(name="task_count_ports", target="SYSTEM")

WF_USABLE_MAP.update({"modify_port": ["provisioning", "active"]})
