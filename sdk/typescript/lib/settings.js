import { createHash } from 'node:crypto';

/** What a header carries: the variable that renames it, and its default name. */
const names = {
    secret: ['EMCY_WORKER_SECRET_HEADER', 'X-Emcy-Worker-Secret'],
    subject: ['EMCY_WORKER_SUBJECT_HEADER', 'X-Emcy-Subject'],
    tenant: ['EMCY_WORKER_TENANT_HEADER', 'X-Emcy-Tenant'],
    client: ['EMCY_WORKER_CLIENT_HEADER', 'X-Emcy-Client'],
    requestId: ['EMCY_WORKER_REQUEST_ID_HEADER', 'X-Emcy-Request-Id'],
    assertion: ['EMCY_WORKER_ASSERTION_HEADER', 'X-Emcy-Assertion'],
    upstreamAccessToken: ['EMCY_UPSTREAM_ACCESS_TOKEN_HEADER', 'X-Emcy-Upstream-Access-Token']
};

/** What the environment says about the contract. */
export function readSettings(env) {
    const list = (name) => (env[name] ?? '').split(',').map((item) => item.trim()).filter((item) => item !== '');
    const secrets = list('EMCY_WORKER_SHARED_SECRET').map((secret) => digest(Buffer.from(secret, 'utf8')));
    const issuers = list('EMCY_WORKER_ISSUER');
    const audiences = list('EMCY_WORKER_AUDIENCE');
    const headers = Object.fromEntries(
        Object.entries(names).map(([what, [variable, name]]) => [what, ((env[variable] ?? '').trim() || name).toLowerCase()])
    );

    let problem;
    if (issuers.length > 0 !== audiences.length > 0 || !issuers.every(safe)) problem = 'worker_assertion_not_set';
    else if (secrets.length === 0 && issuers.length === 0) problem = 'worker_secret_not_set';

    const own = new Set(Object.values(headers));
    return {
        secrets,
        issuers,
        audiences,
        headers,
        problem,
        bearer: headers.upstreamAccessToken === 'authorization',
        /** Whether a header, in lower case, is the contract's and none of the application's. */
        stripped: (name) => name.startsWith('x-emcy-') || (own.has(name) && name !== 'authorization')
    };
}

export function digest(bytes) {
    return createHash('sha256').update(bytes).digest();
}

/** Keys that come over the open network in the clear could be anybody's. */
function safe(issuer) {
    if (!URL.canParse(issuer)) return false;
    const { protocol, hostname } = new URL(issuer);
    return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname));
}
