import { fencerStory } from '../fencer-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('fencer', 'two servers die at once, and then whoever fences', fencerStory, { hosts: 5 })
