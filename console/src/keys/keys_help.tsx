import { useEffect, useState } from 'react';
import Box from '@cloudscape-design/components/box';
import Modal from '@cloudscape-design/components/modal';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { bindKeys, boundScopes, kKeys, kScopeTitles, showChord, type KeyScope } from './keys.ts';
import './keys.css';

const kOpen = 'vedette:keys-help';

/** Opens the list of keys, as `?` does. */
export const showKeys = () => window.dispatchEvent(new Event(kOpen));

/** Lists the keys of what is open when `?` is pressed. The frame of the pages holds it once. */
export function KeysHelp() {
  const [scopes, setScopes] = useState<KeyScope[] | null>(null);
  const open = () => setScopes(boundScopes());
  bindKeys('global', { help: open });
  useEvent(kOpen, open);
  return (
    <Modal visible={scopes !== null} onDismiss={() => setScopes(null)} header="Keys" closeAriaLabel="Close the list of keys" size="large">
      <SpaceBetween size="l">
        {(scopes ?? [])
          .sort((a, b) => Number(a === 'global') - Number(b === 'global'))
          .map((scope) => (
            <section key={scope}>
              <Box variant="h3">{kScopeTitles[scope]}</Box>
              <dl className="keys-list">
                {kKeys
                  .filter((entry) => entry.scope === scope)
                  .map((entry) => (
                    <div key={entry.id}>
                      <dt>
                        {entry.keys.map((key) => (
                          <kbd key={key}>{showChord(key)}</kbd>
                        ))}
                      </dt>
                      <dd>{entry.sentence}</dd>
                    </div>
                  ))}
              </dl>
            </section>
          ))}
      </SpaceBetween>
    </Modal>
  );
}

function useEvent(name: string, handler: () => void) {
  useEffect(() => {
    window.addEventListener(name, handler);
    return () => window.removeEventListener(name, handler);
  });
}
