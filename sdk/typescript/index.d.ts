import type { IncomingMessage, ServerResponse } from 'node:http';

/** Who is asking, as the gateway vouches for it. What it did not send is null. */
export interface Caller {
    /** The signed-in user, stable within the workspace. */
    readonly subject: string | null;
    /** The workspace through which the request came. */
    readonly tenant: string | null;
    /** The MCP client that the user allowed. */
    readonly client: string | null;
    /** The name of this request in the gateway's log. */
    readonly requestId: string | null;
    /** A JWT about all of this, signed with the workspace's key. Not enumerable. */
    readonly assertion: string | null;
    /** The user's own token for the API behind this runtime. Not enumerable. */
    readonly upstreamAccessToken: string | null;
}

export interface WorkerContractOptions {
    /** Where the settings are read from; `process.env` unless given. Read once. */
    env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Middleware that answers nobody but the gateway: 401 without a valid secret,
 * 500 when the runtime has no secret to compare with. What passes reaches `next`
 * without the secret in its headers.
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
