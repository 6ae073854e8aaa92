// Conversations with a server of rules/card_support that runs with `--reflection`; see docs/clients.md.
import { check } from 'k6';
import grpc from 'k6/net/grpc';

const client = new grpc.Client();

function uuid() {
  return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => Math.floor(Math.random() * 16).toString(16));
}

function turn(conversation, event) {
  const request = { conversation_id: conversation, request_id: uuid(), ...event };
  return client.invoke('charter.v1.Conversations/Turn', request, { timeout: '5s' });
}

export default function () {
  if (__ITER === 0) client.connect(__ENV.ADDRESS, { plaintext: true, reflect: true });
  const conversation = uuid();
  const start = { policy: 'card_support', channel: 'CHANNEL_CHAT', language: 'en' };
  const greeted = turn(conversation, { start });
  check(greeted, { 'the first act is a disclosure': (r) => r.status === grpc.StatusOK && !!r.message.acts[0].disclose });
  const heard = turn(conversation, { utterance: { text: 'when are you open?' } });
  check(heard, { 'it is answered': (r) => r.status === grpc.StatusOK && r.message.acts.length > 0 });
  const left = turn(conversation, { hangup: {} });
  check(left, { 'the end is noted': (r) => r.status === grpc.StatusOK && r.message.over });
  const late = turn(conversation, { silence: {} });
  check(late, { 'nothing comes after the end': (r) => r.status === grpc.StatusFailedPrecondition });
}
