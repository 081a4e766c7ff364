// Checks how the workspaces' keys are fetched and kept.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { fetchKeySet, KeySets, KeysUnavailable } from '../lib/keys.js';

const [FRESH, STALE, AGAIN, BACK_OFF] = [300_000, 3_600_000, 10_000, 1_000];

function issuer(...kids) {
    const self = { kids, fetches: 0, down: false, now: 1_000_000_000 };
    self.keys = new KeySets(
        () => self.now,
        async () => {
            self.fetches++;
            await new Promise(setImmediate);
            if (self.down) throw new Error('connection refused');
            return { keys: self.kids.map((kid) => ({ kid })) };
        }
    );
    self.get = (kid) => self.keys.get('https://i', kid);
    return self;
}

test('one fetch serves many at once, and for a while', async () => {
    const i = issuer('a');
    const found = await Promise.all(Array.from({ length: 20 }, () => i.get('a')));
    assert.deepEqual(found[19], { kid: 'a' });
    i.now += FRESH - 1;
    await i.get('a');
    assert.equal(i.fetches, 1);
    i.now += 1;
    await i.get('a');
    assert.equal(i.fetches, 2);
});

test('an unknown key is looked for, but not each time', async () => {
    const i = issuer('a');
    await i.get('a');
    i.kids.push('b');
    assert.equal(await i.get('b'), undefined);
    assert.equal(i.fetches, 1);
    i.now += AGAIN;
    assert.deepEqual(await i.get('b'), { kid: 'b' });
    for (let n = 0; n < 5; n++) assert.equal(await i.get('c'), undefined);
    assert.equal(i.fetches, 2);
});

test('a key that was taken away is gone', async () => {
    const i = issuer('a', 'b');
    await i.get('a');
    i.kids.shift();
    i.now += FRESH;
    assert.equal(await i.get('a'), undefined);
});

test('an outage is bridged for an hour', async () => {
    const i = issuer('a');
    await i.get('a');
    i.down = true;
    i.now += STALE - 1;
    assert.deepEqual(await i.get('a'), { kid: 'a' });
    i.now += BACK_OFF;
    await assert.rejects(i.get('a'), KeysUnavailable);
    i.down = false;
    i.now += BACK_OFF;
    assert.deepEqual(await i.get('a'), { kid: 'a' });
});

test('a failed fetch is not tried with every request', async () => {
    const i = issuer('a');
    i.down = true;
    for (let n = 0; n < 5; n++) await assert.rejects(i.get('a'), KeysUnavailable);
    assert.equal(i.fetches, 1);
});

async function serve(t, status, headers, body) {
    const asked = [];
    const server = createServer((req, res) => {
        asked.push(`${req.method} ${req.url}`);
        res.writeHead(status, headers).end(body);
    }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    return { issuer: `http://127.0.0.1:${server.address().port}`, asked };
}

test('the keys are under the issuer', async (t) => {
    const { issuer, asked } = await serve(t, 200, {}, '{"keys":[]}');
    assert.deepEqual(await fetchKeySet(issuer), { keys: [] });
    assert.deepEqual(asked, ['GET /jwks']);
});

test('no redirect is followed, and what is too large, refused or no JSON is no key set', async (t) => {
    const moved = await serve(t, 302, { Location: '/elsewhere' }, '');
    await assert.rejects(fetchKeySet(moved.issuer));
    assert.equal(moved.asked.length, 1);
    for (const [status, body] of [
        [200, '<html>'],
        [200, ' '.repeat(300 << 10) + '{"keys":[]}'],
        [500, '{"keys":[]}']
    ]) {
        await assert.rejects(fetchKeySet((await serve(t, status, {}, body)).issuer));
    }
});
