#!/usr/bin/env python3
"""What `ip` cannot do on a kernel without 802.1Q: makes VLAN devices through vlanmux.py, and shows them as such.
Called by ip.sh with the arguments of `ip`, for a batch on stdin and for lists in JSON."""
import json
import os
import re
import subprocess
import sys

IP = '/usr/sbin/ip'
STATE = '/run/vlan'
MUX = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'vlanmux.py')
ADD = re.compile(r'^\s*link add link (\S+) name (\S+) type vlan id (\d+)\s*$')


def add(trunk, name, vid):
    """Text of an error, or None."""
    mux = subprocess.Popen(
        [sys.executable, MUX, trunk, vid, name],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    if mux.stdout.readline() != b'ready\n':
        return f'RTNETLINK answers: vlanmux of {name} did not start'
    os.makedirs(STATE, exist_ok=True)
    with open(os.path.join(STATE, name), 'w') as file:
        file.write(f'{trunk} {vid}\n')
    return None


def batch(arguments, text):
    """Runs a batch; line numbers in errors stay those of the whole."""
    failed = 0
    pending, first = [], 0
    lines = text.split('\n')

    def flush():
        nonlocal failed
        if any(line.strip() for line in pending):
            part = '\n' * first + '\n'.join(pending) + '\n'
            failed |= subprocess.run([IP, *arguments], input=part.encode()).returncode

    for number, line in enumerate(lines):
        match = ADD.match(line)
        if match is None:
            pending.append(line)
            continue
        flush()
        pending, first = [], number + 1
        error = add(match[1], match[2], match[3])
        if error is not None:
            failed = 1
            print(f'{error}\nCommand failed -:{number + 1}', file=sys.stderr, flush=True)
    flush()
    return failed


def show(arguments):
    done = subprocess.run([IP, *arguments], stdout=subprocess.PIPE)
    try:
        links = json.loads(done.stdout)
    except ValueError:
        sys.stdout.buffer.write(done.stdout)
        return done.returncode
    for link in links:
        try:
            with open(os.path.join(STATE, link.get('ifname', ''))) as file:
                trunk, vid = file.read().split()
        except OSError:
            continue
        if link.get('linkinfo', {}).get('info_kind') == 'tun':
            link['link'] = trunk
            link['linkinfo'].update(info_kind='vlan', info_data={'protocol': '802.1Q', 'id': int(vid)})
    print(json.dumps(links))
    return done.returncode


arguments = sys.argv[1:]
sys.exit(batch(arguments, sys.stdin.read()) if '-batch' in arguments else show(arguments))
