import { tokenRefused } from './contract.js';

/**
 * Keeps the status of an answer until its first byte, at most for some ms. A server
 * that streams sends its 200 before the tool has run; until the first byte `refused`
 * can still make it a 401.
 */
export function holdResponse(res, ms, refused) {
    const methods = ['writeHead', 'flushHeaders', 'write', 'end'];
    const before = Object.fromEntries(methods.map((name) => [name, Object.getOwnPropertyDescriptor(res, name)]));
    let head;
    let flush = false;
    let timer;

    const restore = () => {
        clearTimeout(timer);
        for (const name of methods) {
            if (before[name]) Object.defineProperty(res, name, before[name]);
            else delete res[name];
        }
    };
    const release = () => {
        restore();
        if (head) res.writeHead(...head);
        if (flush) res.flushHeaders();
    };
    const replace = () => {
        restore();
        for (const name of res.getHeaderNames()) res.removeHeader(name);
        res.writeHead(tokenRefused.status, tokenRefused.headers);
        res.end(tokenRefused.body);
        const swallow = (...args) => {
            const done = args.find((arg) => typeof arg === 'function');
            if (done) process.nextTick(done);
        };
        res.write = (...args) => (swallow(...args), true);
        res.end = (...args) => (swallow(...args), res);
        res.writeHead = () => res;
        res.flushHeaders = () => {};
    };
    const wait = () => {
        timer ??= setTimeout(() => refused() || release(), ms);
        timer.unref();
    };

    res.writeHead = (...args) => {
        head = args;
        wait();
        return res;
    };
    res.flushHeaders = () => {
        flush = true;
        wait();
    };
    for (const name of ['write', 'end']) {
        res[name] = (...args) => {
            if (refused()) replace();
            else release();
            return res[name](...args);
        };
    }
    res.once('close', () => clearTimeout(timer));
}

/** The same for a web-standard Response. */
export async function holdFetch(response, ms, refused) {
    const refusal = () => new Response(tokenRefused.body, { status: tokenRefused.status, headers: tokenRefused.headers });
    if (!response.body) return refused() ? refusal() : response;

    const reader = response.body.getReader();
    let first = reader.read();
    first.catch(() => {}); // whoever reads the answer is told
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, ms, true)));
    const isLate = await Promise.race([first.then(() => false, () => false), late]);
    clearTimeout(timer);
    if (!isLate && refused()) {
        await reader.cancel();
        return refusal();
    }
    const body = new ReadableStream({
        async pull(controller) {
            const { done, value } = await (first ?? reader.read());
            first = undefined;
            if (done) controller.close();
            else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason)
    });
    return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
}
