// An SMSC on loopback from npm's `smpp` package, with faults on command.
//
// Commands are lines of JSON on standard input, answers lines of JSON on standard output:
//   {"set": {...}}  change the mode (below)      {"kill": true}  break every connection
//   {"deliver": {...}}  send a deliver_sm with these fields to every session that may receive
//   {"report": true}  what was seen so far
// It ends with its standard input.
'use strict';

const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const mode = {
  bind: 0,          // command_status of binds
  submit: 0,        // command_status of submits, for the next `times` of them (-1: for ever)
  times: -1,
  silent: false,    // read everything and answer nothing: half-open
  lose: false,      // take messages, answer none of them
  late_ms: 0,       // answer messages so much later
  receipts: 0,      // receipts for each message: 0, 1, or 2 for a duplicate
  early: false,     // the receipt before the answer
  hex: false,       // the id in hex in answers, in decimal in receipts
  plain: false,     // receipts without parameters
};
const seen = { binds: [], texts: [], unbinds: 0, enquiries: 0, receipts: {}, connections: 0 };
const sessions = new Set();
let id = 160;

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const pad = (n) => String(n).padStart(10, '0');

function receipt(session, pdu, number) {
  const fields = {
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    esm_class: 4,
    short_message: `id:${pad(number)} sub:001 dlvrd:001 submit date:2606010930 done date:0000000000` +
      ' stat:DELIVRD err:000 text:',
  };
  if (!mode.plain) Object.assign(fields, { receipted_message_id: name(number), message_state: 2 });
  return () => session.deliver_sm(fields, (answer) => {
    seen.receipts[answer.command_status] = (seen.receipts[answer.command_status] || 0) + 1;
  });
}

const name = (number) => (mode.hex ? number.toString(16) : pad(number));

function onSubmit(session, pdu) {
  if (mode.silent) return;
  let status = 0;
  if (mode.submit && mode.times !== 0) {
    status = mode.submit;
    mode.times -= 1;
  }
  if (status) {
    session.send(pdu.response({ command_status: status }));
    return;
  }
  id += 1;
  const number = id;
  const content = pdu.message_payload || pdu.short_message;
  seen.texts.push({
    to: pdu.destination_addr, at: Date.now(), text: content.message, coding: pdu.data_coding,
    udh: content.udh ? content.udh.map((one) => [...one]) : null, sar: pdu.sar_segment_seqnum || null,
  });
  const hear = receipt(hearer(session), pdu, number);
  const answer = () => session.send(pdu.response({ message_id: name(number) }));
  if (mode.early) for (let n = 0; n < mode.receipts; n += 1) hear();
  if (!mode.lose) {
    if (mode.late_ms) setTimeout(answer, mode.late_ms);
    else answer();
  }
  if (!mode.early) for (let n = 0; n < mode.receipts; n += 1) hear();
}

// Receipts of a transmitter go to the receiver of the same account.
function hearer(session) {
  if (session.kind !== 'bind_transmitter') return session;
  return [...sessions].find((one) => one.kind === 'bind_receiver') || session;
}

function onSession(session) {
  seen.connections += 1;
  session.on('error', () => {});
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, (pdu) => {
      seen.binds.push({ kind, system_id: pdu.system_id, password: pdu.password });
      if (mode.silent) return;
      session.send(pdu.response({ command_status: mode.bind, system_id: 'node' }));
      if (mode.bind) return;
      session.kind = kind;
      sessions.add(session);
    });
  }
  session.on('submit_sm', (pdu) => onSubmit(session, pdu));
  session.on('enquire_link', (pdu) => {
    seen.enquiries += 1;
    if (!mode.silent) session.send(pdu.response());
  });
  session.on('query_sm', (pdu) => session.send(pdu.response({ message_id: pdu.message_id, message_state: 2 })));
  session.on('unbind', (pdu) => {
    seen.unbinds += 1;
    session.send(pdu.response());
    session.close();
  });
  session.on('unknown', (pdu) => session.send(pdu.response()));
  session.on('close', () => sessions.delete(session));
}

const options = process.argv[2] ? { key: fs.readFileSync(process.argv[2]), cert: fs.readFileSync(process.argv[2]) } : {};
const server = smpp.createServer(options, onSession);
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.set) Object.assign(mode, command.set);
  if (command.kill) {
    seen.killed = Date.now();
    for (const session of server.sessions.slice()) session.destroy();
  }
  if (command.deliver) {
    for (const session of sessions) {
      if (session.kind !== 'bind_transmitter') session.deliver_sm(command.deliver);
    }
  }
  say(command.report ? seen : { done: true });
}).on('close', () => process.exit(0));
