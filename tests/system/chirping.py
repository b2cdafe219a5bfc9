"""Run as a task without a container: looks for HTCondor's chirp, and reads with it what TMS has on the access point.

`python chirping.py INFILE OUTFILE`: INFILE has a path a line. OUTFILE gets what was found of the job, and those paths
that could be read.
"""

import sys
from pathlib import Path


def main(infile: Path, outfile: Path) -> None:
    """Write what was found and read, one a line."""
    places = [place for up in infile.parents for place in (up, up / "user")]
    found = [place / name for place in places for name in (".chirp.config", ".job.ad") if (place / name).exists()]
    lines = [file.name for file in found]
    for config in (file for file in found if file.name == ".chirp.config"):
        from htchirp import HTChirp

        host, port, cookie = config.read_text().split()
        with HTChirp(host, port, cookie=cookie) as proxy:
            for path in infile.read_text().split():
                try:
                    proxy.read(path, 16)
                except HTChirp.ChirpError:
                    continue
                lines.append(path)
    outfile.write_text("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
