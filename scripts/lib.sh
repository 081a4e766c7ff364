# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=$ROOT/.cache
mkdir -p "$CACHE"

# NODE22 is where scripts/setup puts Node.js 22 or newer, for programs that do not
# run on less: the conformance suite and the MCP Inspector. Programs that start
# "node" by themselves need its folder first in the PATH. The rest runs on
# whatever node_works finds.
# shellcheck disable=SC2034 # for the scripts that source this
NODE22=$CACHE/node22/bin/node

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

# node_is MAJOR PROGRAM: is it a Node.js of this version or newer, and does it run here?
node_is() {
	command -v "$2" >/dev/null 2>&1 &&
		"$2" -e 'process.exit(Number(process.versions.node.split(".")[0]) >= Number(process.argv[1]) ? 0 : 1)' "$1" >/dev/null 2>&1
}

# node_works puts this clone's own Node.js, where it has one, before any other
# in the PATH and tells whether node is new enough for the browser driver.
node_works() {
	if [ -x "$CACHE/node/bin/node" ]; then
		PATH=$CACHE/node/bin:$PATH
		export PATH
	fi
	command -v npm >/dev/null 2>&1 && node_is 20 node
}
