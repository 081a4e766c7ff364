// The seed story in a real browser with the official client: two people connect, each
// gets their own todos, and the end of a token at the API is nothing that they notice.
//
//   node seed.mjs config.json
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { UnauthorizedError } from '@modelcontextprotocol/client';

import { openBrowser } from './lib/browser.mjs';
import { listenForCallback, makeFetch, MemoryProvider, newClient, newTransport } from './lib/client.mjs';
import * as pages from './lib/pages.mjs';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const callbackPage = (url) => url.pathname === '/callback';
let shown;

const ledger = async () => (await fetch(new URL('/ledger', config.ledger))).json();

/** From the client's first request to its first answer: sign-in, consent, the account at the Todo API. */
async function connect(person) {
    const browser = await openBrowser({ chromium: config.chromium, javaScript: true });
    const listener = await listenForCallback();
    try {
        const provider = new MemoryProvider(listener.url, `Client of ${person.login}`);
        const fetcher = makeFetch('');
        const transport = newTransport(config.mcpURL, provider, fetcher);
        await assert.rejects(newClient().connect(transport), UnauthorizedError);

        const page = (shown = await browser.context.newPage());
        await page.goto(String(provider.authorizationUrl));
        if (person.member) {
            await pages.signIn.send(page, person.member);
        } else {
            await page.getByRole('link', { name: person.provider }).click();
            await page.locator('form').getByRole('button', { name: 'Continue' }).click();
        }
        await page.waitForURL((url) => url.pathname === pages.consent.path);
        await pages.consent.allow(page);

        await page.waitForURL((url) => url.pathname === '/connect');
        assert.match(await pages.text(page), /Todo/);
        assert.equal((await ledger()).people[person.login], undefined, 'nothing went to the API before the yes');
        await page.locator('button[name=decision][value=connect]').click();
        await page.waitForURL((url) => url.origin === new URL(config.ledger).origin);
        await page.locator('input[name=login]').fill(person.login);
        await page.locator('input[name=password]').fill(person.password);
        await page.locator('button[type=submit], button:not([type])').first().click();
        await page.locator('button[name=decision][value=allow]').click();
        await page.waitForURL(callbackPage);

        await transport.finishAuth((await listener.callback).searchParams);
        const client = newClient();
        await client.connect(newTransport(config.mcpURL, provider, fetcher));
        const connected = Date.now();
        return { person, client, connected };
    } catch (error) {
        await explain();
        throw error;
    } finally {
        listener.close();
        await browser.close();
    }
}

async function explain() {
    if (!shown || shown.isClosed()) return;
    console.log(`--- the page: ${shown.url()}\n${await pages.text(shown)}`);
    await shown.screenshot({ path: join(config.artifacts, 'page.png'), fullPage: true });
}

async function call(client, name, args = {}) {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, JSON.stringify(result));
    const value = result.structuredContent ?? JSON.parse(result.content[0].text);
    return value.result ?? value.todos ?? value;
}

const titles = async (client) => (await call(client, 'list_todos')).map(({ title }) => title);

try {
    const users = [];
    for (const person of config.people) {
        const user = await connect(person);
        users.push(user);
        assert.deepEqual(await titles(user.client), [person.todo]);
        await call(user.client, 'add_todo', { title: `Of ${person.login}` });
        console.log(`ok   ${person.login} sees their own todos`);
    }
    const last = Math.max(...users.map((user) => user.connected));
    await sleep(last + config.lifeMS + 3000 - Date.now()); // the one thing that only time can do: a token ends
    for (const { person, client } of users) {
        assert.deepEqual(await titles(client), [person.todo, `Of ${person.login}`]);
        console.log(`ok   ${person.login} goes on after the token's end`);
    }
    await Promise.all(users.map(({ client }) => client.close()));
} catch (error) {
    console.log(`FAIL ${error.stack}`);
    process.exit(1); // what is still open must not hold it up
}
