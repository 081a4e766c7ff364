// Starts one of examples/ as a user would: one command, settings by environment.
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * @param {{command: string, args: string[], env?: Record<string, string>, port: number, record: string, log: string}} example
 * @param {string | undefined} secret what EMCY_WORKER_SHARED_SECRET is set to; undefined leaves it unset
 */
export async function startRuntime(example, secret) {
    const env = { ...process.env, ...example.env, PORT: String(example.port), EMCY_EXAMPLE_RECORD: example.record };
    delete env.EMCY_WORKER_SHARED_SECRET;
    if (secret !== undefined) env.EMCY_WORKER_SHARED_SECRET = secret;

    const log = createWriteStream(example.log, { flags: 'a' });
    const child = spawn(example.command, example.args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    const gone = new Promise((resolve) => {
        child.once('exit', (code, signal) => resolve(`exited with ${signal ?? code}`));
        child.once('error', (error) => resolve(`did not start: ${error.message}`));
    });
    let over;
    gone.then((how) => (over = how));

    const deadline = Date.now() + 60_000;
    while (!(await listens(example.port))) {
        if (over) throw new Error(`the example ${over}; its log:\n${tail(example.log)}`);
        if (Date.now() > deadline) throw new Error(`the example does not listen on ${example.port}; its log:\n${tail(example.log)}`);
        await sleep(50);
    }

    return {
        url: `http://127.0.0.1:${example.port}/mcp`,
        async stop() {
            child.kill('SIGTERM');
            const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
            await gone;
            clearTimeout(timer);
            log.end();
        }
    };
}

/** Every request that the runtime wrote down: [{method, path, query, headers: [[name, value]]}]. */
export function readRecord(path) {
    if (!existsSync(path)) return [];
    return readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line));
}

/** All values that a request carried under a header's name. */
export function headerValues(request, name) {
    return request.headers.filter(([n]) => n === name.toLowerCase()).map(([, value]) => value);
}

function listens(port) {
    return new Promise((resolve) => {
        const socket = connect({ port, host: '127.0.0.1' });
        socket.once('connect', () => {
            socket.destroy();
            resolve(true);
        });
        socket.once('error', () => resolve(false));
    });
}

export function tail(path, lines = 40) {
    if (!path || !existsSync(path)) return '(nothing)';
    return readFileSync(path, 'utf8').split('\n').slice(-lines).join('\n');
}
