/**
 * The worker contract of Emcy Gateway, for runtimes on Node.js: lets in only
 * requests that carry the secret which this runtime shares with the gateway,
 * and says who sent them. No dependencies, no build step, no reading of bodies.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash, timingSafeEqual } from 'node:crypto';

const DEFAULT_SECRET_HEADER = 'X-Emcy-Worker-Secret';
const DEFAULT_TOKEN_HEADER = 'X-Emcy-Upstream-Access-Token';

const callers = new AsyncLocalStorage();

/** Middleware for node:http and Express: `guard(req, res, next)`. */
export function workerContract({ env = process.env } = {}) {
    const contract = read(env);
    return (req, res, next) => {
        const refusal = contract.check(latin1(req.headers[contract.secretHeader]));
        if (refusal) {
            const body = JSON.stringify({ error: refusal.error });
            res.writeHead(refusal.status, {
                'Content-Type': 'application/json',
                'Content-Length': Buffer.byteLength(body),
                'Cache-Control': 'no-store'
            });
            res.end(body);
            return undefined;
        }
        const caller = contract.caller((name) => req.headers[name]);
        delete req.headers[contract.secretHeader];
        req.rawHeaders = withoutHeader(req.rawHeaders, contract.secretHeader);
        return callers.run(caller, next);
    };
}

/** Wraps a web-standard handler, such as `createMcpHandler(...).fetch`. */
export function workerContractFetch(handler, { env = process.env } = {}) {
    const contract = read(env);
    return (request, ...rest) => {
        const refusal = contract.check(latin1(request.headers.get(contract.secretHeader) ?? undefined));
        if (refusal) {
            return Promise.resolve(
                Response.json({ error: refusal.error }, { status: refusal.status, headers: { 'Cache-Control': 'no-store' } })
            );
        }
        const headers = new Headers(request.headers);
        const caller = contract.caller((name) => headers.get(name));
        headers.delete(contract.secretHeader);
        return callers.run(caller, () => handler(new Request(request, { headers }), ...rest));
    };
}

/** Who sent the request that is being answered. */
export function getCaller() {
    const caller = callers.getStore();
    if (!caller) {
        throw new Error('no caller: this code does not run inside a request that passed workerContract()');
    }
    return caller;
}

function read(env) {
    const secretHeader = (env.EMCY_WORKER_SECRET_HEADER || DEFAULT_SECRET_HEADER).trim().toLowerCase();
    const tokenHeader = (env.EMCY_UPSTREAM_ACCESS_TOKEN_HEADER || DEFAULT_TOKEN_HEADER).trim().toLowerCase();
    const secrets = (env.EMCY_WORKER_SHARED_SECRET ?? '')
        .split(',')
        .map((secret) => secret.trim())
        .filter((secret) => secret !== '')
        .map((secret) => digest(Buffer.from(secret, 'utf8')));

    return {
        secretHeader,
        check(presented) {
            if (secrets.length === 0) {
                return { status: 500, error: 'worker_secret_not_set' };
            }
            // Node and fetch join a header that came twice with a comma, which
            // no secret contains: two headers never match.
            const wanted = digest(presented);
            // Every secret is compared, and by digest, so that neither the
            // number of the one that matched nor its length can be told from
            // the time it takes.
            let valid = false;
            for (const secret of secrets) {
                valid = timingSafeEqual(wanted, secret) || valid;
            }
            return valid ? undefined : { status: 401, error: 'unauthorized' };
        },
        caller(header) {
            const value = (name) => header(name) || null;
            const caller = {
                subject: value('x-emcy-subject'),
                tenant: value('x-emcy-tenant'),
                client: value('x-emcy-client'),
                requestId: value('x-emcy-request-id')
            };
            // Not enumerable: a caller that is logged or turned into JSON shows
            // no token.
            Object.defineProperty(caller, 'assertion', { value: value('x-emcy-assertion') });
            Object.defineProperty(caller, 'upstreamAccessToken', { value: value(tokenHeader) });
            return Object.freeze(caller);
        }
    };
}

function digest(bytes) {
    return createHash('sha256').update(bytes).digest();
}

/** The bytes of a header as they were on the wire. */
function latin1(value) {
    return Buffer.from(value ?? '', 'latin1');
}

function withoutHeader(rawHeaders, name) {
    const kept = [];
    for (let i = 0; i < rawHeaders.length; i += 2) {
        if (rawHeaders[i].toLowerCase() !== name) {
            kept.push(rawHeaders[i], rawHeaders[i + 1]);
        }
    }
    return kept;
}
