const FRESH = 300_000; // ms for which a key set is taken as it is
const STALE = 3_600_000; // ms for which it still serves where it cannot be fetched
const AGAIN = 10_000; // ms between two fetches because of a key that is not in it
const BACK_OFF = 1_000; // ms before a fetch that failed is tried again
const TIMEOUT = 5_000;
const LIMIT = 256 << 10;

export class KeysUnavailable extends Error {}

/** The key sets of the workspaces, fetched when they are needed and kept for a while. */
export class KeySets {
    #entries = new Map();

    /** @param {() => number} now in ms */
    constructor(now, fetchKeys = fetchKeySet) {
        this.now = now;
        this.fetchKeys = fetchKeys;
    }

    /** The issuer's key of that id, or undefined where it has none. */
    async get(issuer, kid) {
        let entry = this.#entries.get(issuer);
        if (!entry) this.#entries.set(issuer, (entry = { fetched: -Infinity }));
        if (entry.running) await entry.running; // one fetch serves all who wait

        const find = () => entry.keys?.find((key) => key?.kid === kid);
        const age = this.now() - entry.fetched;
        const found = find();
        if (entry.keys && age >= 0 && age < (found ? FRESH : AGAIN)) return found;

        const sinceFailure = this.now() - entry.failed;
        if (!(sinceFailure >= 0 && sinceFailure < BACK_OFF)) {
            entry.running ??= this.#refresh(issuer, entry);
            await entry.running;
        }
        if (!entry.keys || (entry.failed !== undefined && !(age >= 0 && age < STALE))) throw new KeysUnavailable(issuer);
        return find();
    }

    async #refresh(issuer, entry) {
        try {
            const { keys } = await this.fetchKeys(issuer);
            if (!Array.isArray(keys)) throw new Error('not a key set');
            Object.assign(entry, { keys, fetched: this.now(), failed: undefined });
        } catch {
            entry.failed = this.now();
        } finally {
            entry.running = undefined;
        }
    }
}

export async function fetchKeySet(issuer) {
    const answer = await fetch(issuer.replace(/\/+$/, '') + '/jwks', {
        headers: { Accept: 'application/json' },
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT)
    });
    if (!answer.ok || !answer.body) throw new Error(`the key set answered ${answer.status}`);
    const chunks = [];
    let size = 0;
    for await (const chunk of answer.body) {
        if ((size += chunk.length) > LIMIT) throw new Error('the key set is too large');
        chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
