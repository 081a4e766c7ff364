/**
 * The worker contract of Emcy Gateway, for runtimes on Node.js: lets in only the
 * gateway, by the secret that this runtime shares with it or by an assertion that it
 * signed, and says who sent a request. No dependencies, no build step, no reading of
 * bodies.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

import { Contract, Refusal } from './lib/contract.js';
import { holdFetch, holdResponse } from './lib/held.js';

const requests = new AsyncLocalStorage();
const HOLD_MS = 2_000;

/** Middleware for node:http and Express: `guard(req, res, next)`. */
export function workerContract(options = {}) {
    const contract = new Contract(options);
    const holdMs = options.holdStartMs ?? HOLD_MS;

    return (req, res, next) => {
        const enter = (admitted) => {
            if (admitted instanceof Refusal) {
                res.writeHead(admitted.status, admitted.headers);
                res.end(admitted.body);
                return undefined;
            }
            for (const name of Object.keys(req.headers)) {
                if (contract.stripped(name)) delete req.headers[name];
            }
            req.rawHeaders = pairs(req.rawHeaders).filter(([name]) => !contract.stripped(name.toLowerCase())).flat();
            const request = { caller: admitted, refused: false };
            if (holds(req.method, admitted, holdMs)) holdResponse(res, holdMs, () => request.refused);
            return requests.run(request, next);
        };
        const sent = pairs(req.rawHeaders);
        const admitted = contract.admit((name) => sent.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value));
        return admitted instanceof Promise ? admitted.then(enter) : enter(admitted);
    };
}

/** Wraps a web-standard handler, such as `createMcpHandler(...).fetch`. */
export function workerContractFetch(handler, options = {}) {
    const contract = new Contract(options);
    const holdMs = options.holdStartMs ?? HOLD_MS;

    return async (request, ...rest) => {
        // Headers joins what came twice with a comma and a blank, which nothing
        // of the contract contains.
        const admitted = await contract.admit((name) => request.headers.get(name)?.split(', ') ?? []);
        if (admitted instanceof Refusal) {
            return new Response(admitted.body, { status: admitted.status, headers: admitted.headers });
        }
        const headers = new Headers(request.headers);
        for (const name of [...headers.keys()]) {
            if (contract.stripped(name)) headers.delete(name);
        }
        const store = { caller: admitted, refused: false };
        const response = await requests.run(store, () => handler(new Request(request, { headers }), ...rest));
        return holds(request.method, admitted, holdMs) ? holdFetch(response, holdMs, () => store.refused) : response;
    };
}

/** Who sent the request that is being answered. */
export function getCaller() {
    return current().caller;
}

/** Says that the API refused the user's token, and ends the tool. */
export function refuseUpstreamToken() {
    current().refused = true;
    throw new UpstreamTokenRefused();
}

export class UpstreamTokenRefused extends Error {
    constructor() {
        super('The API did not accept your sign-in there. Try again; if it goes on, connect the account again.');
        this.name = 'UpstreamTokenRefused';
    }
}

function current() {
    const request = requests.getStore();
    if (!request) {
        throw new Error('no caller: this code does not run inside a request that passed workerContract()');
    }
    return request;
}

function holds(method, caller, ms) {
    return method === 'POST' && ms > 0 && caller.upstreamAccessToken !== null;
}

function pairs(rawHeaders) {
    const all = [];
    for (let i = 0; i < rawHeaders.length; i += 2) all.push([rawHeaders[i], rawHeaders[i + 1]]);
    return all;
}
