import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startTracker, type Tracker } from '../support/tracker.ts';

const run = promisify(execFile);

/** A client that is not ours, and knows nothing but what reflection tells it. */
describe('grpcurl', () => {
  let tracker: Tracker;
  before(async function () {
    const there = await run('grpcurl', ['-version']).then(
      () => true,
      () => false,
    );
    if (!there) {
      if (process.env['REQUIRE_SERVICES'])
        throw new Error('grpcurl is not on the PATH, and REQUIRE_SERVICES asks for it');
      console.log(
        '    SKIPPED: grpcurl is not on the PATH (go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest)',
      );
      this.skip();
    }
    tracker = await startTracker();
  });
  after(() => tracker?.stop());

  const grpcurl = (...args: string[]) => run('grpcurl', ['-plaintext', ...args]);
  const at = () => `localhost:${tracker.grpcPort}`;

  it("runs the original's example as it is written, but for the port", async () => {
    const { stdout } = await grpcurl(
      '-d',
      '{"name": "Test User", "email": "test@example.com"}',
      at(),
      'userpb.UserService.CreateUser',
    );
    assert.equal(JSON.parse(stdout).user.email, 'test@example.com');
  });

  it('lists every service', async () => {
    const { stdout } = await grpcurl(at(), 'list');
    assert.deepEqual(stdout.trim().split('\n').sort(), [
      'adminpb.AdminService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'issuepb.IssueService',
      'projectpb.ProjectService',
      'userpb.UserService',
      'userpb.v2.UserService',
    ]);
  });

  it('describes a service with its http options', async () => {
    const { stdout } = await grpcurl(at(), 'describe', 'issuepb.IssueService');
    assert.match(stdout, /google\.api\.http/);
    assert.match(stdout, /\/v1\/issues\/\{id\}:transition/);
  });

  it('shows the rules of a message', async () => {
    const { stdout } = await grpcurl(at(), 'describe', 'userpb.CreateUserRequest');
    assert.match(stdout, /buf\.validate\.field/);
  });

  it('is told the field of a bad request', async () => {
    await assert.rejects(
      grpcurl('-d', '{"email": "a@example.com"}', at(), 'userpb.UserService.CreateUser'),
      (error: { stderr: string }) => {
        assert.match(error.stderr, /InvalidArgument/);
        assert.match(error.stderr, /name/);
        return true;
      },
    );
  });

  it('finds the server healthy', async () => {
    const { stdout } = await grpcurl(at(), 'grpc.health.v1.Health.Check');
    assert.equal(JSON.parse(stdout).status, 'SERVING');
  });
});
