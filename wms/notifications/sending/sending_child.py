"""Send one mail, or one notification by apprise, as a process of its own:
`python -m wms.notifications.sending.sending_child`.

Standard input has the order; standard output gets {"error": ..., "may_repeat": ..., "done": [...]}. In this process
nothing connects to a forbidden address, whatever a server answers, and nothing starts another program: an audit hook
sees each attempt.
"""

import json
import logging
import re
import smtplib
import ssl
import sys
from collections.abc import Collection
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

from wms.notifications.sending.address_rules import ForbiddenAddress, check_address

_STARTS_PROGRAM = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"})
_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
#: Parts of an address of apprise that are shorter are words, not secrets.
_SHORTEST_SECRET = 4


def guard_process(*, allows_local: bool) -> None:
    """From now on, refuse each connection to a forbidden address, and each start of a program."""

    def refuse_forbidden(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTS_PROGRAM:
            raise PermissionError(f"a notification may not start programs ({event})")
        if event.startswith("syslog."):
            raise PermissionError("a notification may not write into the log of the machine itself")
        if event in _CONNECTS and arguments[1] is not None:
            address = arguments[1]
            if not isinstance(address, tuple):
                raise PermissionError("a notification may not use sockets of the machine itself")
            check_address(str(address[0]), "the receiver", allows_local=allows_local)

    sys.addaudithook(refuse_forbidden)


def send_mail(configuration: dict[str, Any], subject: str, body: str, notification: str) -> None:
    """Send a mail. The same notification has the same Message-ID with each attempt.

    Raises:
        SMTPRecipientsRefused: the server refused some recipients, or all. If only some, the others have the mail.
        SMTPException, OSError: the mail was not sent.
    """
    mail = EmailMessage()
    mail["Subject"] = " ".join(subject.split())
    mail["From"] = configuration["sender"]
    mail["To"] = ", ".join(configuration["recipients"])
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{re.sub(r'[^A-Za-z0-9.-]', '.', notification)}@notifications.ewms>"
    mail["X-EWMS-Notification"] = notification
    mail.set_content(body)
    host, port, timeout_s = configuration["host"], configuration["port"], configuration["timeout"]
    context = ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(host, port, timeout=timeout_s, context=context)
        if configuration["use_ssl"]
        else smtplib.SMTP(host, port, timeout=timeout_s)
    ) as server:
        if configuration["use_tls"]:
            server.starttls(context=context)
        if configuration["username"]:
            server.login(configuration["username"], configuration["password"])
        refused = server.send_message(mail)
    if refused:
        # The others have it. Another attempt would send it to them again.
        raise smtplib.SMTPRecipientsRefused(refused)


def send_by_apprise(
    configuration: dict[str, Any], subject: str, body: str, done: Collection[int]
) -> tuple[list[int], list[str]]:
    """Send to each address of apprise but those in `done`, which are places from 1. If one fails, apprise logs why.

    Return the places of the addresses that have it now, and why the others failed.
    """
    import apprise  # noqa: PLC0415 - it takes a third of a second, and mails need none of it

    # Each address is asked by itself, so that the error can say which one failed.
    reached, faults = sorted(done), []
    for number, url in enumerate(configuration["urls"], 1):
        if number in done:
            continue
        with apprise.LogCapture(level=logging.WARNING) as lines:  # type: ignore[no-untyped-call]
            sender = apprise.Apprise()
            try:
                is_sent, why = sender.add(url) and sender.notify(body=body, title=subject), ""
            except (ForbiddenAddress, OSError) as error:
                is_sent, why = False, f"{type(error).__name__}: {error}"
            if is_sent:
                reached.append(number)
            else:
                faults.append(f"address {number} failed: {hide_parts(why or lines.getvalue(), url)}")
    return reached, faults


def hide_parts(text: str, url: str) -> str:
    """Return `text` without the parts of `url`, which may be passwords and tokens."""
    parts = sorted(set(re.split(r"[/:@?&=,#\s]+", url)), key=len, reverse=True)
    for part in parts:
        if len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, "***")
    return " ".join(text.split())[:500]


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Send the notification in `order`. Return a JSON object with the keys `error` and `may_repeat`, and for apprise
    `done`.

    `error` says why it failed ("": it did not), and `may_repeat` whether another attempt with the same order can help.
    `done` has the addresses that have it, by their places: give them with the order of another attempt.
    """
    try:
        if order["type"] == "email":
            send_mail(order["configuration"], order["subject"], order["body"], order["id"])
        else:
            done = order.get("done", ())
            reached, faults = send_by_apprise(order["configuration"], order["subject"], order["body"], done)
            return {"error": "; ".join(faults), "may_repeat": bool(faults), "done": reached}
    except ForbiddenAddress as error:
        return {"error": f"{error.reason}; {error.hint}", "may_repeat": False}
    except smtplib.SMTPRecipientsRefused as error:
        codes = ", ".join(f"{name}: {code[0]}" for name, code in error.recipients.items())
        return {"error": f"the mail server refused recipients: {codes}", "may_repeat": False}
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return {"error": f"the mail server answered {error.smtp_code}: {text}", "may_repeat": error.smtp_code < 500}
    except (smtplib.SMTPException, OSError) as error:
        return {"error": f"{type(error).__name__}: {error}", "may_repeat": True}
    return {"error": "", "may_repeat": False}


def main() -> None:
    """Send what stands in the standard input."""
    order = json.loads(sys.stdin.buffer.read())
    guard_process(allows_local=order["allows_local"])
    json.dump(carry_out(order), sys.stdout)


if __name__ == "__main__":
    main()
