// A receiver of webhooks that verifies every message with the library that Standard
// Webhooks publishes for Node.js. Its first line is its address; then a line of JSON for
// each message. The secrets come as lines on stdin; the last one holds.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Webhook } from 'standardwebhooks';

let secret = '';
createInterface({ input: process.stdin }).on('line', (line) => {
  secret = line;
  say({ secret: 'taken' });
}).on('close', () => process.exit(0));

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const server = createServer((req, res) => {
  let body = '';
  req.setEncoding('utf8');
  req.on('data', (chunk) => { body += chunk; });
  req.on('end', () => {
    try {
      const message = new Webhook(secret).verify(body, req.headers);
      res.writeHead(204).end();
      say({ message });
    } catch (error) {
      res.writeHead(401).end();
      say({ refused: error.message });
    }
  });
});
server.listen(0, '127.0.0.1', () => say({ url: `http://127.0.0.1:${server.address().port}/hook` }));
