import type { IncomingMessage, ServerResponse } from 'node:http';

/** Who is asking, as the gateway vouches for it. What it did not send is null. */
export interface Caller {
    /** The signed-in user, stable within the workspace. */
    readonly subject: string | null;
    /** The workspace through which the request came. */
    readonly tenant: string | null;
    /** The MCP client that the user allowed. */
    readonly client: string | null;
    /** The name of this request in the gateway's log. Nobody signs it. */
    readonly requestId: string | null;
    /** What the user allowed the client; null unless an assertion was checked. */
    readonly scopes: readonly string[] | null;
    /** The workspace's origin, which signed; null unless an assertion was checked. */
    readonly issuer: string | null;
    /** A JWT about all of this, signed with the workspace's key. Not enumerable. */
    readonly assertion: string | null;
    /** The user's own token for the API behind this runtime. Not enumerable. */
    readonly upstreamAccessToken: string | null;
}

export interface WorkerContractOptions {
    /** Where the settings are read from; `process.env` unless given. Read once. */
    env?: Readonly<Record<string, string | undefined>>;
    /**
     * For how many ms the status of an answer may wait for its first byte, on requests
     * that carry the user's token: for that long `refuseUpstreamToken` can still make it
     * a 401. 2000 unless given; 0 never waits.
     */
    holdStartMs?: number;
    /** Gives an issuer's key set; fetched from `{issuer}/jwks` unless given. */
    keys?: (issuer: string) => Promise<{ keys: object[] }>;
    /** The time in ms; `Date.now` unless given. */
    now?: () => number;
}

/**
 * Middleware that answers nobody but the gateway: 401 without a valid secret or
 * assertion, 500 when the runtime has nothing to compare with. What passes reaches
 * `next` without the contract's headers.
 *
 * Express: `app.use(workerContract())`.
 * node:http: `createServer((req, res) => guard(req, res, () => handler(req, res)))`.
 */
export function workerContract(
    options?: WorkerContractOptions
): (req: IncomingMessage, res: ServerResponse, next: () => unknown) => unknown;

/** The same around a web-standard handler, such as `createMcpHandler(...).fetch`. */
export function workerContractFetch<Rest extends unknown[]>(
    handler: (request: Request, ...rest: Rest) => Promise<Response>,
    options?: WorkerContractOptions
): (request: Request, ...rest: Rest) => Promise<Response>;

/**
 * Who sent the request that is being answered; for use inside a tool. Throws
 * where there is none. It follows the request's own asynchronous calls, so in
 * a session that several requests share it names the sender of each.
 */
export function getCaller(): Caller;

/**
 * Says that the API refused the user's token, and ends the tool by throwing. The gateway
 * then gets 401 with `Bearer error="invalid_token"`: it renews the token and tries again,
 * or asks the user to connect again. Where the answer has begun already it cannot be told
 * any more, and the client sees a tool error.
 */
export function refuseUpstreamToken(): never;

/** The API behind this runtime did not accept the user's token. */
export class UpstreamTokenRefused extends Error {}
