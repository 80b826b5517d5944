//! The agent's blocks in its prompts: those that it may read, and that may go to its model.

use std::collections::{BTreeMap, BTreeSet};

use super::fit::Shown;
use crate::domain::block::{Level, folded};
use crate::domain::block_edit::is_about_text;
use crate::domain::{Block, BlockId};
use crate::llm::{MemoryBlock, PromptMessage, marks};
use crate::store::StepInput;
use crate::tools::access::Withheld;

/// In the place of the text of a block that a model elsewhere does not get.
const KEPT_HERE: &str =
    "The text of this block stays on the user's machine; your model runs elsewhere and does not get it.";

/// Returns the blocks that the agent has and cannot use with this model.
#[must_use]
pub fn withheld(view: &StepInput, local: bool) -> Vec<Withheld> {
    let kept_here = view.blocks.iter().filter(|block| !goes_to(block, local));
    let kept_here = kept_here.map(|block| Withheld { label: block.label.clone(), kept_here: true });
    let closed = view.withheld.iter().map(|label| Withheld { label: label.clone(), kept_here: false });
    kept_here.chain(closed).collect()
}

/// Returns true if the text of this block may go to the agent's model.
#[must_use]
pub fn goes_to(block: &Block, local: bool) -> bool {
    local || !block.local_only
}

/// Takes out of the agent's own calls of the memory tools, and their results, what is about blocks that it may not read,
/// or whose text its model does not get.
pub(super) fn hide_withheld(view: &StepInput, local: bool, entries: &mut [Shown]) {
    let readable: BTreeSet<String> =
        view.blocks.iter().filter(|block| goes_to(block, local)).map(|block| folded(&block.label)).collect();
    let withheld = withheld(view, local);
    let why = |label: &str| {
        let known = withheld.iter().find(|block| folded(&block.label) == folded(label));
        let why = known.map_or_else(|| format!("you have no block {}", marks::line(label)), Withheld::why);
        format!("not shown: {why}")
    };
    let mut hidden: BTreeMap<String, String> = BTreeMap::new();
    for shown in entries {
        match &mut shown.entry {
            PromptMessage::Assistant { calls, .. } if !calls.is_empty() => {
                // The results of these calls come next; other calls may have the same ids.
                hidden.clear();
                for call in calls.iter_mut().filter(|call| is_about_text(&call.name)) {
                    let label = call.arguments.get("label").and_then(|label| label.as_str());
                    let Some(label) = label.filter(|label| !readable.contains(&folded(label))) else { continue };
                    let why = why(label);
                    call.arguments = serde_json::json!({ "label": label, "text": why });
                    hidden.insert(call.id.clone(), why);
                }
            }
            PromptMessage::ToolResult { call, text, .. } if hidden.contains_key(call) => {
                text.clone_from(&hidden[call]);
            }
            _ => continue,
        }
        if !hidden.is_empty() {
            shown.measure();
        }
    }
}

/// Returns the agent's blocks and who else changed them since it last spoke.
pub(super) fn memory(view: &StepInput, local: bool) -> Vec<MemoryBlock> {
    let agent = &view.agent.id;
    let seen: BTreeMap<&BlockId, u64> = view.seen.iter().map(|(id, version)| (id, *version)).collect();
    view.blocks
        .iter()
        .map(|block| {
            if !goes_to(block, local) {
                return MemoryBlock {
                    label: block.label.clone(),
                    value: KEPT_HERE.to_owned(),
                    limit: block.limit,
                    read_only: true,
                    version: block.version,
                    kept_here: true,
                    ..MemoryBlock::default()
                };
            }
            let newer = seen.get(&block.id).is_some_and(|version| *version < block.version);
            let by_other = block.editor.agent() != Some(agent);
            MemoryBlock {
                label: block.label.clone(),
                description: block.description.clone(),
                value: block.value.clone(),
                limit: block.limit,
                read_only: block.read_only || view.level(block) < Level::ReadWrite,
                version: block.version,
                kept_here: false,
                changed_by: (newer && by_other).then(|| match block.editor.name() {
                    "you" => "the user".to_owned(),
                    name => name.to_owned(),
                }),
            }
        })
        .collect()
}
