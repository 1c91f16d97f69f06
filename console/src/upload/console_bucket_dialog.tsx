// Asks before the console's bucket is made: the original's "First time set up".
import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Modal from '@cloudscape-design/components/modal';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { sentenceOf } from '../api/errors.ts';
import { ActionButton } from '../app/allowed.tsx';
import { useSession } from '../session/session.tsx';
import { createConsoleBucket, findConsoleBucket, newBucketName } from './console_bucket.ts';

/** Returns the region's bucket of the console. If there is none, it asks whether to make it, and throws if the person will not. */
type ConsoleBucket = () => Promise<string>;

const Context = createContext<ConsoleBucket | null>(null);

export function useConsoleBucket(): ConsoleBucket {
  const consoleBucket = useContext(Context);
  if (!consoleBucket) throw new Error('There is no ConsoleBucketProvider above this component.');
  return consoleBucket;
}

interface Asked {
  name: string;
  answer: Promise<string>;
  made(name: string): void;
  refused(error: Error): void;
}

export function ConsoleBucketProvider({ children }: { children: ReactNode }) {
  const { s3, region } = useSession();
  const [asked, setAsked] = useState<Asked>();
  const waiting = useRef<Asked | undefined>(undefined);

  const end = useCallback(() => {
    waiting.current = undefined;
    setAsked(undefined);
  }, []);
  const consoleBucket = useCallback<ConsoleBucket>(async () => {
    const found = await findConsoleBucket(s3, region);
    if (found) return found;
    // Two uploads that begin at the same time share the question.
    if (!waiting.current) {
      let made!: Asked['made'];
      let refused!: Asked['refused'];
      const answer = new Promise<string>((resolve, reject) => {
        made = resolve;
        refused = reject;
      });
      waiting.current = { name: newBucketName(region), answer, made, refused };
      setAsked(waiting.current);
    }
    return waiting.current.answer;
  }, [s3, region]);

  return (
    <Context.Provider value={consoleBucket}>
      {children}
      {asked && <FirstTimeSetUp asked={asked} onEnd={end} />}
    </Context.Provider>
  );
}

function FirstTimeSetUp({ asked, onEnd }: { asked: Asked; onEnd(): void }) {
  const { s3, region } = useSession();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  async function make() {
    setBusy(true);
    setProblem(undefined);
    try {
      await createConsoleBucket(s3, asked.name);
      asked.made(asked.name);
      onEnd();
    } catch (error) {
      setProblem(sentenceOf(error));
      setBusy(false);
    }
  }
  function cancel() {
    asked.refused(new Error('Without its bucket the console has no place for this. Nothing was sent.'));
    onEnd();
  }
  const facts = useMemo(
    () => ['It keeps the versions of what is replaced or deleted for 30 days.', 'Parts of unfinished uploads go after 3 days.', 'Nobody gets at it without an access key of this server.'],
    [],
  );
  return (
    <Modal
      visible
      header="First time set up"
      closeAriaLabel="Cancel"
      onDismiss={cancel}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={cancel}>
              Cancel
            </Button>
            <ActionButton action="s3:CreateBucket" variant="primary" loading={busy} onClick={() => void make()}>
              Create S3 bucket
            </ActionButton>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Box>
          The pictures and masks that you send, and the results of trainings and trial detections, are kept in a bucket: a place for files on this server, which
          your programs reach as well. The region {region} has none for the console yet.
        </Box>
        <div>
          <Box variant="awsui-key-label">Bucket name</Box>
          <Box variant="code">{asked.name}</Box>
        </div>
        <ul className="plain-facts">
          {facts.map((fact) => (
            <li key={fact}>{fact}</li>
          ))}
        </ul>
        {problem && (
          <Alert type="error" header="The bucket was not created">
            {problem}
          </Alert>
        )}
      </SpaceBetween>
    </Modal>
  );
}
