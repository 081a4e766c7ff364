/** Reads a small body; anything larger than 64 KiB is refused. */
export async function readBody(req) {
    const chunks = [];
    let size = 0;
    for await (const chunk of req) {
        size += chunk.length;
        if (size > 64 * 1024) throw new HTTPError(413, 'too_large', 'The body is larger than 64 KiB.');
        chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
}

export async function readJSON(req) {
    let value;
    try {
        value = JSON.parse(await readBody(req));
    } catch (error) {
        if (error instanceof HTTPError) throw error;
    }
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
        throw new HTTPError(400, 'invalid_body', 'The body is not a JSON object.');
    }
    return value;
}

export class HTTPError extends Error {
    constructor(status, code, message, headers = {}) {
        super(message);
        Object.assign(this, { status, code, headers });
    }
}

export function sendJSON(res, status, value, headers = {}) {
    const body = value === undefined ? '' : JSON.stringify(value);
    res.writeHead(status, {
        ...(body ? { 'Content-Type': 'application/json' } : {}),
        'Content-Length': Buffer.byteLength(body),
        'Cache-Control': 'no-store',
        ...headers
    });
    res.end(body);
}

export function send(res, status, headers, body = '') {
    res.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) });
    res.end(body);
}
