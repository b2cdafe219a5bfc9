"""Check which secrets a person may give to the tasks of a job.

    open_to    who may use the secret in a job of its organization
    admins     the organization's admins (the default)
    members    its members, too

A task that gets a secret can do with it what its code does. So admins decide which secrets members may use, and an
approval of the task comes before each version of it.
"""

from collections.abc import Collection, Sequence

from schemas.automation.stored_secrets import SecretFile, SecretUsers
from schemas.errors import Forbidden, Rejected
from schemas.ids import CatalogueTaskId, OrganizationId
from schemas.rules.secret_names import MAX_SECRETS, check_secret_name
from wms.secrets.secret_store import SecretStore, make_absence
from wms.tenancy.rights import Action, Principal, check_right, may


class SecretUse:
    """The rights to use the secrets of one database."""

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets

    async def check_files(
        self,
        principal: Principal,
        organization: OrganizationId,
        files: Sequence[SecretFile],
        tasks: Collection[CatalogueTaskId],
    ) -> None:
        """Check that `principal` may give these secrets to a job of `tasks` in `organization`.

        Raises:
            Rejected: as `check_secret_files`.
            NotFound: the organization has no such secret, or does not exist for the principal.
            Forbidden: the principal may not use one.
        """
        if not files:
            return
        check_secret_files(files, tasks)
        check_right(principal, Action.USE_SECRET, organization)
        found = await self._secrets.find_open(organization, {each.name for each in files})
        is_admin = may(principal, Action.CHANGE_SECRET, organization)
        for each in files:
            if each.name not in found:
                raise make_absence(each.name)
            if found[each.name] is not SecretUsers.MEMBERS and not is_admin:
                raise Forbidden(
                    f"the secret {each.name!r} is open to admins only",
                    hint="ask an admin to start the job, or to open it: ewms secret set NAME --open-to members",
                )


def check_secret_files(files: Sequence[SecretFile], tasks: Collection[CatalogueTaskId]) -> None:
    """Check the names of the secrets of a job of `tasks`, of their files, and of the tasks that get them.

    Raises:
        Rejected: a name breaks its rule, two files have one name, there are too many, or one is for a task that the job
            has not.
    """
    if len(files) > MAX_SECRETS:
        raise Rejected(f"'secrets': names {len(files)}, and a job may have {MAX_SECRETS}", hint="name fewer")
    for each in files:
        check_secret_name(each.name)
        check_secret_name(each.file)
        if strangers := sorted(set(each.tasks or ()) - set(tasks)):
            raise Rejected(
                f"'secrets': 'tasks' of {each.name!r} names task {strangers[0]}, which the job does not have",
                hint=f"name some of {', '.join(map(str, dict.fromkeys(tasks)))}, or leave 'tasks' out for all",
            )
    names = [each.file for each in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Rejected(f"'secrets': two files are named {twice[0]!r}", hint="give one of them another name: NAME=FILE")


def merge_files(of_list: Sequence[SecretFile], of_job: Sequence[SecretFile]) -> tuple[SecretFile, ...]:
    """Return the secrets of a saved list and of a job of it. For one file the job's secret counts."""
    own = {each.file for each in of_job}
    return (*(each for each in of_list if each.file not in own), *of_job)
