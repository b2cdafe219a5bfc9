"""The filter of system calls under which an image is built. (core)

A build runs as root of a user namespace with one id: every user of Linux may open such a namespace. In it the kernel
refuses to change owners and users. Package managers and buildah do both, although an image for apptainer needs neither:
apptainer runs it as the caller. So the filter lets these calls succeed without an effect.

A few calls make memory that belongs to no process, which the memory limit would not see. They fail as unknown calls.

Source: seccomp(2), linux/seccomp.h, linux/audit.h, linux/bpf_common.h, asm/unistd_64.h.
"""

import errno
import struct

#: Calls of x86-64 that succeed without an effect: chown, fchown, lchown, setuid, setgid, setreuid, setregid, setgroups,
#: setresuid, setresgid, setfsuid, setfsgid, fchownat.
_WITHOUT_EFFECT = (92, 93, 94, 105, 106, 113, 114, 116, 117, 119, 122, 123, 260)

#: Calls that fail: shmget, memfd_secret. (buildah needs memfd_create.)
_UNKNOWN = (29, 447)

_LOAD_WORD = 0x20
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06
_ARCHITECTURE_OFFSET, _NUMBER_OFFSET = 4, 0
_X86_64 = 0xC000003E
_ALLOW = 0x7FFF0000
#: SECCOMP_RET_ERRNO with error number 0: the call returns 0 and does nothing.
_SUCCEED = 0x00050000
_FAIL_AS_UNKNOWN = _SUCCEED | errno.ENOSYS


def build_filter() -> bytes:
    """Return the filter as a classic BPF program, in the form that bubblewrap reads."""
    answers = [(number, _SUCCEED) for number in _WITHOUT_EFFECT] + [(number, _FAIL_AS_UNKNOWN) for number in _UNKNOWN]
    checks = [step for number, answer in answers for step in ((_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, answer))]
    program = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_OFFSET),
        (_JUMP_IF_EQUAL, 1, 0, _X86_64),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
        *checks,
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
