// A mail server of the authors of nodemailer, and a parser of theirs for what it takes.
//
// Settings: `secure` (TLS from the first byte), `cert` and `key`, `user` and `password` (signing in is asked for then),
// `hideSTARTTLS`, and `mute`: it accepts connections and never says a word. To recipients it is kind, unless they are
// called `refused@` (550) or `grey@` (451, the first time).

import { createServer } from 'node:net';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { read, ready, settings } from './peer.mjs';

const mails = [];
const seen = { connections: 0, signIns: [], refused: [] };
const known = new Set();

const problem = (responseCode, message) => Object.assign(new Error(message), { responseCode });

const addresses = (list) => list.map(({ address }) => address);
const people = (field) => (field ? field.value.map(({ name, address }) => [name, address]) : []);

const parsed = async (raw) => {
  const mail = await simpleParser(raw);
  return {
    messageId: mail.messageId,
    date: mail.date.getTime(),
    from: people(mail.from),
    to: people(mail.to),
    cc: people(mail.cc),
    bcc: people(mail.bcc),
    replyTo: people(mail.replyTo),
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    attachments: mail.attachments.map(({ filename, contentType, contentDisposition, content }) => ({
      filename,
      contentType,
      contentDisposition,
      content: content.toString('base64'),
    })),
    campaign: mail.headers.get('x-campaign'),
    long: mail.headers.get('x-long'),
    headers: Object.fromEntries(mail.headerLines.map(({ key, line }) => [key, line.slice(key.length + 1).trim()])),
  };
};

const server = new SMTPServer({
  secure: settings.secure,
  cert: settings.cert,
  key: settings.key,
  hideSTARTTLS: settings.hideSTARTTLS,
  disabledCommands: settings.user ? [] : ['AUTH'],
  // Signing in is offered in the open where nothing else is.
  allowInsecureAuth: !settings.cert,
  authOptional: !settings.user,
  onConnect: (session, callback) => {
    seen.connections += 1;
    callback();
  },
  onAuth: ({ method, username, password }, session, callback) => {
    const right = username === settings.user && password === settings.password;
    seen.signIns.push({ method, username, right, encrypted: session.secure });
    if (right) return callback(null, { user: username });
    return callback(problem(535, 'Authentication credentials invalid'));
  },
  onRcptTo: ({ address }, session, callback) => {
    if (address.startsWith('refused@')) {
      seen.refused.push(address);
      return callback(problem(550, `5.1.1 No such user: ${address}`));
    }
    if (address.startsWith('grey@') && !known.has(address)) {
      known.add(address);
      seen.refused.push(address);
      return callback(problem(451, '4.7.1 Greylisted, come back later'));
    }
    return callback();
  },
  onData: async (stream, session, callback) => {
    const { mailFrom, rcptTo } = session.envelope;
    const raw = await read(stream);
    mails.push({
      from: mailFrom.address,
      to: addresses(rcptTo),
      user: session.user ?? null,
      encrypted: session.secure,
      mail: await parsed(raw),
    });
    callback(null, `2.6.0 taken as number ${mails.length}`);
  },
});
// A client that does not trust this server breaks off.
server.on('error', () => {});

const listener = settings.mute ? createServer(() => (seen.connections += 1)) : server;
const listening = listener.listen(settings.port ?? 0, '127.0.0.1', () => {
  ready((settings.mute ? listener : listening).address().port, { mails: () => mails, seen: () => seen });
});
