import assert from 'node:assert/strict';
import kafkajs from 'kafkajs';
import { faultOf, SILENCE } from '../../../plugins/transport-kafka/faults.ts';
import { Notice } from '../../../plugins/transport-kafka/notice.ts';
import { recordingLogger } from '../plugin-context.ts';

// kafkajs is CommonJS, and names its errors only at run time.
const { KafkaJSConnectionError, KafkaJSNumberOfRetriesExceeded, KafkaJSProtocolError } = kafkajs;

describe('what is wrong with Kafka', () => {
  const retried = (error: Error) => new KafkaJSNumberOfRetriesExceeded(error, { retryCount: 1, retryTime: 1 });
  const of = (message: string, parts: object) => Object.assign(new Error(message), parts);

  it('is said in words, by the error behind all others that has any', () => {
    const refused = new KafkaJSConnectionError('connect to 10.0.0.1:9092', { code: 'ECONNREFUSED' });
    assert.match(faultOf(retried(refused)), /^nothing listens there/);
    assert.equal(faultOf('the consumer has stopped'), 'the consumer has stopped');
    assert.equal(faultOf(new Error('no place in a group')), 'no place in a group');
  });

  it('is said without what kafkajs wrote where there are no words for it: that may hold a host or a name', () => {
    const protocol = new KafkaJSProtocolError(of('not the one at secret.host', { type: 'NOT_CONTROLLER', code: 41 }));
    assert.equal(faultOf(retried(protocol)), 'it cannot be used (NOT_CONTROLLER)');
    const lost = new KafkaJSConnectionError(of('failed at secret.host', {}), { code: 'ESOMETHING' });
    assert.equal(faultOf(lost), 'it cannot be used (ESOMETHING)');
    const unknown = new KafkaJSConnectionError('failed at secret.host', {});
    assert.equal(faultOf(unknown), 'it cannot be used (KafkaJSConnectionError)');
  });

  it('is one line, and another where a later try tells more than silence did', () => {
    const log = recordingLogger();
    const notice = new Notice(log, { here: 'here', away: 'away' });
    for (const error of [SILENCE, new Error('Request timed out'), 'no place in a group', 'the consumer has stopped'])
      notice.away(error);
    const reasons = log.lines.map(({ fields }) => fields);
    assert.deepEqual(reasons, [{ reason: SILENCE }, { reason: 'no place in a group' }]);
  });
});
