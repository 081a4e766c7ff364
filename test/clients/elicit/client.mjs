// The official TypeScript SDKs as MCP clients whose person is asked to connect an account in the middle of a call.
//
//   EMCY_TEST_TOKEN=... node client.mjs SDK URL ERA CAN
//
// SDK is 1 or 2, ERA is legacy or modern, CAN is url (it can lead its person to an address), form (it cannot, but
// can ask) or nothing. It prints a line of JSON whenever its person has to do something, reads a line that says what the
// person did (accept, decline, cancel), and in the end prints what became of the call.
import { createInterface } from 'node:readline';

const [sdk, url, era, can] = process.argv.slice(2);
const { Client, StreamableHTTPClientTransport, ElicitRequestSchema } = await load();

async function load() {
    if (sdk === '2') return import('@modelcontextprotocol/client');
    const [client, transport, types] = await Promise.all([
        import('@modelcontextprotocol/sdk/client/index.js'),
        import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
        import('@modelcontextprotocol/sdk/types.js')
    ]);
    return { ...client, ...transport, ...types };
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (line) => console.log(JSON.stringify(line));

async function person(asked) {
    tell({ asked });
    const { value, done } = await lines.next();
    if (done) process.exit(1);
    return value;
}

const capabilities = { url: { elicitation: { url: {} } }, form: { elicitation: { form: {} } }, nothing: {} }[can];
const client = new Client(
    { name: `elicit-${sdk}-${can}`, version: '1.0.0' },
    { capabilities, ...(era === 'modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {}) }
);
if (can !== 'nothing') {
    client.setRequestHandler(sdk === '2' ? 'elicitation/create' : ElicitRequestSchema, async (request) => ({
        action: await person({ by: 'elicitation/create', ...request.params })
    }));
}
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${process.env.EMCY_TEST_TOKEN}` } } }));

const call = () => client.callTool({ name: 'echo', arguments: { text: `hello of ${sdk} ${era} ${can}` } });

// Until there is an answer that asks for nothing more.
for (;;) {
    try {
        const result = await call();
        const text = result.content[0].text;
        const link = result.isError && text.match(/https?:\/\/\S+\/connect\/\S+/);
        if (!link) {
            tell({ result: { isError: result.isError ?? false, text } });
            break;
        }
        await person({ by: 'text', url: link[0], message: text });
    } catch (error) {
        if (error.code !== -32042) {
            tell({ error: { code: error.code, message: String(error.message) } });
            break;
        }
        for (const elicitation of error.elicitations) await person({ by: 'error', ...elicitation });
    }
}
await client.close();
process.exit(0);
