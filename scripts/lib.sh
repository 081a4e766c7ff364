# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=$ROOT/.cache
mkdir -p "$CACHE"

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo -n "$@"
	else
		die "this needs root: run it as root, or install sudo: $*"
	fi
}

# apt_install installs Debian packages; apt itself waits for another run's lock.
# The package lists are refreshed first, because a fresh machine has none at all.
apt_install() {
	command -v apt-get >/dev/null 2>&1 || die "install these first, apt-get is not on this machine: $*"
	local opts=(-y -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
	if [ -z "${APT_UPDATED:-}" ]; then
		say "setup: apt-get update"
		as_root env DEBIAN_FRONTEND=noninteractive apt-get "${opts[@]}" update >"$CACHE/apt.log" 2>&1 </dev/null ||
			{ tail -n 20 "$CACHE/apt.log" >&2; die "apt-get update failed: is the Debian mirror reachable?"; }
		APT_UPDATED=1
	fi
	say "setup: apt-get install $*"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get "${opts[@]}" install --no-install-recommends "$@" >>"$CACHE/apt.log" 2>&1 </dev/null ||
		{ tail -n 20 "$CACHE/apt.log" >&2; die "apt-get install $* failed"; }
}

# node_works puts this clone's own Node.js, where it has one, before any other
# in the PATH and tells whether node is new enough for the browser driver.
node_works() {
	if [ -x "$CACHE/node/bin/node" ]; then
		PATH=$CACHE/node/bin:$PATH
		export PATH
	fi
	command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 &&
		node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' >/dev/null 2>&1
}
