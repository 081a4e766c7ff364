import { appendFileSync } from 'node:fs';

/**
 * Appends the headers of a request, as they arrive, as one line of JSON to the
 * file named by EMCY_EXAMPLE_RECORD, refused requests included. For tests only:
 * the file holds the secrets that the requests carry.
 */
export function record(req) {
    const file = process.env.EMCY_EXAMPLE_RECORD;
    if (!file) return;

    const headers = [];
    for (let i = 0; i < req.rawHeaders.length; i += 2) {
        headers.push([req.rawHeaders[i].toLowerCase(), req.rawHeaders[i + 1]]);
    }
    const { pathname, search } = new URL(req.url, 'http://runtime');
    appendFileSync(file, JSON.stringify({ method: req.method, path: pathname, query: search.slice(1), headers }) + '\n');
}
